;; Exports only the first value of a ratio.
(module
  (func (export "gb_cell_0") (param f64) (result i32) (i32.const -1))
  (func (export "gb_value_0") (param f64) (result f64) (f64.const 0))
  (func (export "gb_cell_1") (param f64) (result i32) (i32.const 0))
  (func (export "gb_value_1_0") (param f64) (result f64) (f64.const 0)))
