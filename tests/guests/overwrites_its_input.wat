;; Overwrites what the host wrote, in the hope that the host writes only what changes.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_person") (param $input i32) (result i64)
    (f64.store (i32.const 24) (f64.load (i32.load offset=16 (local.get $input))))
    (memory.fill (i32.const 1024) (i32.const 0xff) (i32.const 64512))
    (i64.const 0x1000000001)))
