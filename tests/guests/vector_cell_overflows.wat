;; Cell numbers at the end of 32 bits, whose product with the number of values wraps around.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_person") (param i32) (result i64)
    (i32.store (i32.const 16) (i32.const 1)) (i32.store (i32.const 20) (i32.const -2))
    (f64.store (i32.const 24) (f64.const 1))
    (i32.store (i32.const 32) (i32.const 1)) (i32.store (i32.const 36) (i32.const -1))
    (f64.store (i32.const 40) (f64.const 1))
    (i64.const 0x1000000002)))
