;; Exceptions, another way out of a function.
(module
  (tag $e (param f64))
  (func (export "gb_cell_0") (param f64) (result i32) (throw $e (local.get 0)))
  (func (export "gb_value_0") (param $x f64) (result f64) (local.get $x)))
