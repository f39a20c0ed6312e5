;; Puts a function into a table and contributes whether one was there.
(module
  (memory (export "memory") 1)
  (table $t 2 funcref)
  (elem declare func $mark)
  (func $mark)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_person") (param i32) (result i64)
    (f64.store (i32.const 24) (f64.convert_i32_u (i32.eqz (ref.is_null (table.get $t (i32.const 1))))))
    (table.set $t (i32.const 1) (ref.func $mark))
    (i64.const 0x1000000001)))
