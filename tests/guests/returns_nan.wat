;; Contributes a NaN with a payload: 51 bits that nobody looks at.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_person") (param i32) (result i64)
    (f64.store (i32.const 24) (f64.const -nan:0x4c0ffee))
    (i64.const 0x1000000001)))
