;; Writes in a function that is only ever called through a table.
(module
  (type $sink (func (param f64)))
  (memory 1)
  (table 1 funcref)
  (elem (i32.const 0) $write)
  (func $write (type $sink) (f64.store (i32.const 0) (local.get 0)))
  (func (export "gb_cell_0") (param $x f64) (result i32)
    (call_indirect (type $sink) (local.get $x) (i32.const 0))
    (i32.const 0))
  (func (export "gb_value_0") (param f64) (result f64) (f64.load (i32.const 0))))
