;; An estimate for a cell of its choice, which would carry bits without noise.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_block") (param $input i32) (result i64)
    (i32.store (i32.const 20) (i32.const 1))
    (i64.const 0x1000000001)))
