;; Remembers one bit in whether a data segment still exists: initialising from it traps once it is dropped.
(module
  (memory 1)
  (data $bit "\01")
  (func (export "gb_cell_0") (param f64) (result i32) (data.drop $bit) (i32.const 0))
  (func (export "gb_value_0") (param $x f64) (result f64) (local.get $x)))
