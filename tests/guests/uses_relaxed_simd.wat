;; Relaxed vector instructions, whose results tell the processor.
(module
  (func (export "gb_cell_0") (param f64) (result i32) (i32.const 0))
  (func (export "gb_value_0") (param $x f64) (result f64)
    (f64x2.extract_lane 0
      (f64x2.relaxed_madd (f64x2.splat (local.get $x)) (f64x2.splat (local.get $x)) (f64x2.splat (local.get $x))))))
