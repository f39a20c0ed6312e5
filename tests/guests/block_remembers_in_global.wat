;; Adds every block's first value to a global and answers the sum.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (global $sum (mut f64) (f64.const 0))
  (func (export "gb_block") (param $input i32) (result i64)
    (global.set $sum (f64.add (global.get $sum) (f64.load (i32.load offset=16 (local.get $input)))))
    (f64.store (i32.const 24) (global.get $sum))
    (i64.const 0x1000000001)))
