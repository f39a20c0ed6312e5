;; Writes in a function that the exported one only reaches over another.
(module
  (memory 1)
  (func $write (param f64) (f64.store (i32.const 0) (local.get 0)))
  (func $innocent (param f64) (call $write (local.get 0)))
  (func (export "gb_cell_0") (param f64) (result i32) (call $innocent (local.get 0)) (i32.const 0))
  (func (export "gb_value_0") (param f64) (result f64) (f64.load (i32.const 0))))
