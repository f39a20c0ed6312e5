;; Calls a function through a table with another type.
(module
  (type $other (func (param f64) (result i64)))
  (memory (export "memory") 1)
  (table 1 funcref)
  (elem (i32.const 0) $f)
  (func $f)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_person") (param i32) (result i64) (call_indirect (type $other) (f64.const 0) (i32.const 0))))
