;; Traps on the block that holds the value 3, to tell by the failure that this person is there.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_block") (param $input i32) (result i64)
    (if (f64.eq (f64.load (i32.load offset=16 (local.get $input))) (f64.const 3)) (then (unreachable)))
    (f64.store (i32.const 24) (f64.load (i32.load offset=16 (local.get $input))))
    (i64.const 0x1000000001)))
