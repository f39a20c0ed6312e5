;; Overwrites a constant of its data segment and contributes what it held before.
(module
  (memory (export "memory") 1)
  (data (i32.const 512) "\00\00\00\00\00\00\f0\3f")
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_person") (param $input i32) (result i64)
    (f64.store (i32.const 24) (f64.load (i32.const 512)))
    (f64.store (i32.const 512) (f64.load (i32.load offset=16 (local.get $input))))
    (i64.const 0x1000000001)))
