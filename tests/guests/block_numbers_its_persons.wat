;; Answers the number of the last row's person: always 0, since a block has one.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_block") (param $input i32) (result i64)
    (f64.store (i32.const 24) (f64.convert_i32_u (i32.load (i32.add
      (i32.load offset=24 (local.get $input))
      (i32.shl (i32.sub (i32.load (local.get $input)) (i32.const 1)) (i32.const 2))))))
    (i64.const 0x1000000001)))
