;; Counts its calls: every round must find the sandbox new.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (global $calls (mut f64) (f64.const 0))
  (func (export "gb_person") (param i32) (result i64) (i64.const 0))
  (func (export "gb_update") (param $input i32) (result i64)
    (global.set $calls (f64.add (global.get $calls) (f64.const 1)))
    (f64.store (i32.const 512) (f64.add (f64.load (i32.const 512)) (f64.const 1)))
    (f64.store (i32.const 24) (f64.add (global.get $calls) (f64.load (i32.const 512))))
    (i64.const 0x1000000002)))
