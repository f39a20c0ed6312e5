;; Takes table entries, each of them memory of the host's, without end.
(module
  (memory (export "memory") 1)
  (table $t 1 funcref)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_person") (param i32) (result i64)
    (loop $more (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 10000)) (i32.const -1))))
    (unreachable)))
