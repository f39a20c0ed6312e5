;; Remembers one bit by replacing an entry of a table.
(module
  (table $t 2 funcref)
  (elem (table $t) (i32.const 0) func $zero)
  (func $zero (result i32) (i32.const 0))
  (func (export "gb_cell_0") (param f64) (result i32)
    (table.set $t (i32.const 1) (ref.func $zero))
    (ref.is_null (table.get $t (i32.const 1))))
  (func (export "gb_value_0") (param $x f64) (result f64) (local.get $x)))
