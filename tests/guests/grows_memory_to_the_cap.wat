;; Takes 62 MiB, which it may: fails itself when it is denied.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_person") (param i32) (result i64)
    (if (i32.eq (memory.grow (i32.const 991)) (i32.const -1)) (then (unreachable)))
    (i32.store (i32.const 65011708) (i32.const 1))
    (f64.store (i32.const 24) (f64.convert_i32_u (memory.size)))
    (i64.const 0x1000000001)))
