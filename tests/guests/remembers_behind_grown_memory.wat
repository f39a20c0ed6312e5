;; Writes to a page that it has just grown and contributes what was there: pages must come zeroed.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_person") (param $input i32) (result i64)
    (drop (memory.grow (i32.const 8)))
    (f64.store (i32.const 24) (f64.load (i32.const 500000)))
    (f64.store (i32.const 500000) (f64.load (i32.load offset=16 (local.get $input))))
    (i64.const 0x1000000001)))
