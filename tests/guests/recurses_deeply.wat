;; Calls itself without end.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func $deeper (param i64) (result i64) (i64.add (call $deeper (local.get 0)) (i64.const 1)))
  (func (export "gb_person") (param i32) (result i64) (call $deeper (i64.const 0))))
