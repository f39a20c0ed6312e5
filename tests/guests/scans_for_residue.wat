;; Counts the bytes in all of its memory, but what it was given, that are not zero: traces of other persons.
(module
  (memory (export "memory") 3)
  (global $given (mut i32) (i32.const 0))
  (func (export "gb_alloc") (param $size i32) (param i32) (result i32)
    (global.set $given (i32.add (global.get $given) (local.get $size)))
    (i32.sub (i32.add (i32.const 1024) (global.get $given)) (local.get $size)))
  (func (export "gb_person") (param i32) (result i64)
    (local $at i32) (local $found i32)
    (loop $next
      (if (i32.or
            (i32.lt_u (local.get $at) (i32.const 1024))
            (i32.ge_u (local.get $at) (i32.add (i32.const 1024) (global.get $given))))
        (then
          (local.set $found
            (i32.add (local.get $found) (i32.ne (i32.load8_u (local.get $at)) (i32.const 0))))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 196608))))
    (f64.store (i32.const 24) (f64.convert_i32_u (local.get $found)))
    (i64.const 0x1000000001)))
