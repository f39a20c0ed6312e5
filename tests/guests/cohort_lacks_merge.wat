;; Has no `gb_merge`.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_batch") (param i32))
  (func (export "gb_partial") (result i64) (i64.const 0))
  (func (export "gb_finish") (param i32) (result i64) (i64.const 0)))
