;; As keeps_state_in_memory, with a store of the vector instructions.
(module
  (memory 1)
  (func (export "gb_cell_0") (param f64) (result i32) (i32.const 0))
  (func (export "gb_value_0") (param $x f64) (result f64)
    (v128.store64_lane 0 (i32.const 0) (f64x2.splat (local.get $x)))
    (f64.load (i32.const 0))))
