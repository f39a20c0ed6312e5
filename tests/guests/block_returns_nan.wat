;; Answers a NaN that holds a number in its payload.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_block") (param $input i32) (result i64)
    (i64.store (i32.const 24) (i64.const 0x7ff8000012345678))
    (i64.const 0x1000000001)))
