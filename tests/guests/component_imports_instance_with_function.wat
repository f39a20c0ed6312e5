;; A component that imports an instance with types and, among them, a function.
(component
  (import "glovebox:job/types@0.1.0" (instance
    (export "kind" (type (sub resource)))
    (export "now" (func (result u64))))))
