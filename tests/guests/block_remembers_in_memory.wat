;; Adds every block's first value to a number in memory and answers the sum.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_block") (param $input i32) (result i64)
    (f64.store (i32.const 512) (f64.add (f64.load (i32.const 512)) (f64.load (i32.load offset=16 (local.get $input)))))
    (f64.store (i32.const 24) (f64.load (i32.const 512)))
    (i64.const 0x1000000001)))
