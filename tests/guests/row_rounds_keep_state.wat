;; A row job that calls `gb_update` on a row, so that what may write there writes here.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (global $seen (mut i32) (i32.const 0))
  (func $update (export "gb_update") (param i32) (result i64)
    (global.set $seen (i32.xor (global.get $seen) (i32.const 1)))
    (i64.const 0))
  (func (export "gb_cell_0") (param f64 f64) (result i32)
    (drop (call $update (i32.const 0)))
    (global.get $seen))
  (func (export "gb_value_0") (param $x f64) (param f64) (result f64) (local.get $x)))
