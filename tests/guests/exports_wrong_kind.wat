;; `gb_person` is a global.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (global (export "gb_person") i64 (i64.const 0)))
