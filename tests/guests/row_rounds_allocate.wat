;; A row job that calls `gb_alloc` on a row and finds out what came before.
(module
  (memory (export "memory") 1)
  (global $free (mut i32) (i32.const 1024))
  (func $alloc (export "gb_alloc") (param i32 i32) (result i32)
    (global.set $free (i32.add (global.get $free) (local.get 0)))
    (global.get $free))
  (func (export "gb_update") (param i32) (result i64) (i64.const 0))
  (func (export "gb_cell_0") (param f64 f64) (result i32) (i32.and (call $alloc (i32.const 1) (i32.const 1)) (i32.const 1)))
  (func (export "gb_value_0") (param $x f64) (param f64) (result f64) (local.get $x)))
