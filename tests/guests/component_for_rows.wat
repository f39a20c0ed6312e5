;; A component that claims isolation `row`: what a component keeps can't be proven.
(component)
