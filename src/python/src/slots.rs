//! Fills slotted Python classes without running their `__init__`: a frozen dataclass costs 300 ns this way, not 1,500.
//!
//! The only unsafe code of the bindings. What it relies on: `PyType_GenericAlloc` makes an instance of a class whose layout Python built from
//! `__slots__` alone, and a slot's member descriptor stores any object (stable ABI, CPython 3.11 and later).

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// A slotted class and the descriptors of the slots to fill, in order.
pub struct SlotClass {
    class: Py<PyType>,
    slots: Vec<(Py<PyAny>, ffi::descrsetfunc)>,
}

impl SlotClass {
    /// Looks the slots up. Every name must be a slot of the class itself.
    pub fn new(class: &Bound<'_, PyType>, names: &[&str]) -> PyResult<Self> {
        let members = class.getattr("__dict__")?;
        let mut slots = Vec::with_capacity(names.len());
        for name in names {
            let descriptor = members.get_item(name)?;
            if descriptor.get_type().name()? != "member_descriptor" {
                return Err(PyTypeError::new_err(format!("{name} is not a slot of {class}")));
            }
            // SAFETY: the type is alive as long as the descriptor, and a member descriptor has this slot with this signature.
            let setter = unsafe { ffi::PyType_GetSlot(descriptor.get_type_ptr(), ffi::Py_tp_descr_set) };
            if setter.is_null() {
                return Err(PyTypeError::new_err(format!("{name} cannot be set")));
            }
            // SAFETY: Py_tp_descr_set holds a descrsetfunc by definition.
            let setter = unsafe { std::mem::transmute::<*mut std::ffi::c_void, ffi::descrsetfunc>(setter) };
            slots.push((descriptor.unbind(), setter));
        }
        Ok(Self { class: class.clone().unbind(), slots })
    }

    /// A new instance with these values, one for each slot.
    pub fn build<'py, const N: usize>(
        &self,
        py: Python<'py>,
        values: [Bound<'py, PyAny>; N],
    ) -> PyResult<Bound<'py, PyAny>> {
        if values.len() != self.slots.len() {
            return Err(PyTypeError::new_err("the number of values is not that of the slots"));
        }
        // SAFETY: the class is a live type object; the result is a new reference or null with an exception set.
        let instance =
            unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_GenericAlloc(self.class.as_ptr().cast(), 0))? };
        for ((descriptor, setter), value) in self.slots.iter().zip(&values) {
            // SAFETY: all three are live objects; the descriptor checks the instance's type and takes its own reference to the value.
            if unsafe { setter(descriptor.as_ptr(), instance.as_ptr(), value.as_ptr()) } != 0 {
                return Err(PyErr::fetch(py));
            }
        }
        Ok(instance)
    }
}
