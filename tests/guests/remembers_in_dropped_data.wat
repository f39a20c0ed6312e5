;; Drops a data segment on the first person; on the next one, initialising from it would trap.
(module
  (memory (export "memory") 1)
  (data $mark "\01")
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_person") (param i32) (result i64)
    (memory.init $mark (i32.const 512) (i32.const 0) (i32.const 1))
    (data.drop $mark)
    (f64.store (i32.const 24) (f64.convert_i32_u (i32.load8_u (i32.const 512))))
    (i64.const 0x1000000001)))
