;; Traps when it merges.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_batch") (param $input i32)
    )
  (func (export "gb_partial") (result i64)
    (i64.const 0))
  (func (export "gb_merge") (param $at i32) (param $bytes i32)
    (unreachable))
  (func (export "gb_finish") (param $input i32) (result i64)
    (f64.store (i32.const 24) (f64.const 1)) (i64.const 0x1000000001)))
