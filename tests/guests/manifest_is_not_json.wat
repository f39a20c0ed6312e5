;; A manifest that is no JSON and no UTF-8.
(module
  (@custom "glovebox.job" "\ff\00{")
  (func (export "gb_cell_0") (param f64) (result i32) (i32.const 0)))
