;; Grows its memory by as many pages as the person has rows, and contributes the size that it found.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_person") (param $input i32) (result i64)
    (f64.store (i32.const 24) (f64.convert_i32_s (memory.grow (i32.load (local.get $input)))))
    (i64.const 0x1000000001)))
