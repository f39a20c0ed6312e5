;; Writes memory with a bulk instruction.
(module
  (memory 1)
  (func (export "gb_cell_0") (param f64) (result i32)
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 1))
    (i32.load8_u (i32.const 0)))
  (func (export "gb_value_0") (param $x f64) (result f64) (local.get $x)))
