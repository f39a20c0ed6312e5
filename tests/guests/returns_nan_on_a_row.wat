;; Contributes a NaN with a payload, on a row.
(module
  (func (export "gb_cell_0") (param f64) (result i32) (i32.const 0))
  (func (export "gb_value_0") (param f64) (result f64) (f64.const -nan:0x4c0ffee)))
