;; Wants to know the time.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))
  (func (export "gb_cell_0") (param f64) (result i32) (i32.const 0))
  (func (export "gb_value_0") (param $x f64) (result f64) (local.get $x)))
