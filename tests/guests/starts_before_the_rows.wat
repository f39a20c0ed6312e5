;; A row module with a start function, which could prepare memory before the first row.
(module
  (memory 1)
  (func $prepare (i32.store (i32.const 0) (i32.const 7)))
  (start $prepare)
  (func (export "gb_cell_0") (param f64) (result i32) (i32.const 0))
  (func (export "gb_value_0") (param $x f64) (result f64) (local.get $x)))
