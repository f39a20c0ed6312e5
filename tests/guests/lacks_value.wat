;; A row module whose output has a value, without the function for it.
(module
  (func (export "gb_cell_0") (param f64) (result i32) (i32.const 0)))
