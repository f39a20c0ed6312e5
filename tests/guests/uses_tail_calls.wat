;; Tail calls, which loop without a loop.
(module
  (func $cell (export "gb_cell_0") (param f64) (result i32) (return_call $cell (local.get 0)))
  (func (export "gb_value_0") (param $x f64) (result f64) (local.get $x)))
