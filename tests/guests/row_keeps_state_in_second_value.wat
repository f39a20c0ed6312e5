;; Keeps the last row in a global, in the function for a second value.
(module
  (global $last (mut f64) (f64.const 0))
  (func (export "gb_cell_0") (param f64) (result i32) (i32.const -1))
  (func (export "gb_value_0") (param f64) (result f64) (f64.const 0))
  (func (export "gb_cell_1") (param f64) (result i32) (i32.const 0))
  (func (export "gb_value_1_0") (param f64) (result f64) (global.get $last))
  (func (export "gb_value_1_1") (param $x f64) (result f64) (global.set $last (local.get $x)) (local.get $x)))
