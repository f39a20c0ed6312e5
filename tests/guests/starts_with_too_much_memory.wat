;; Asks for 4 GiB before it has read a row.
(module
  (memory (export "memory") 65536)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_person") (param i32) (result i64) (i64.const 0)))
