;; A row job whose `gb_update` may write, and whose rows read what it wrote: they find nothing.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (global $mark (mut i32) (i32.const 0))
  (func (export "gb_update") (param i32) (result i64)
    (global.set $mark (i32.const 1))
    (f64.store (i32.const 24) (f64.const 2))
    (i64.const 0x1000000002))
  (func (export "gb_cell_0") (param f64 f64) (result i32) (i32.add (global.get $mark) (i32.load8_u (i32.const 31))))
  (func (export "gb_value_0") (param $x f64) (param f64) (result f64) (local.get $x)))
