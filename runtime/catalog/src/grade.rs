//! Classification and grading (分类分级) after GB/T 39725-2020.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Sensitivity from 1 (may be public) to 5 (most harmful if disclosed), GB/T 39725-2020 section 6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "u8", into = "u8")]
#[schema(value_type = u8, minimum = 1, maximum = 5)]
pub struct Grade(u8);

/// A number outside 1 to 5.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a grade is a number from 1 to 5, not {0}")]
pub struct GradeError(u8);

impl Grade {
    /// The most sensitive grade.
    pub const HIGHEST: Self = Self(5);

    /// Makes a grade.
    ///
    /// # Errors
    /// [`GradeError`] outside 1 to 5.
    pub fn new(number: u8) -> Result<Self, GradeError> {
        if (1..=5).contains(&number) { Ok(Self(number)) } else { Err(GradeError(number)) }
    }

    /// The grade as a number from 1 to 5.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Grade {
    type Error = GradeError;
    fn try_from(number: u8) -> Result<Self, GradeError> {
        Self::new(number)
    }
}

impl From<Grade> for u8 {
    fn from(grade: Grade) -> Self {
        grade.0
    }
}

/// Class of health data, GB/T 39725-2020 table 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// 个人属性数据: who the person is.
    PersonalAttributes,
    /// 健康状况数据: the person's state of health.
    HealthStatus,
    /// 医疗应用数据: what was done in care.
    MedicalApplication,
    /// 医疗支付数据: payment and insurance.
    MedicalPayment,
    /// 卫生资源数据: providers and their resources.
    HealthResources,
    /// 公共卫生数据: public health and environment.
    PublicHealth,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_grades_and_no_more() {
        assert!(Grade::new(0).is_err());
        assert!(Grade::new(6).is_err());
        assert_eq!(Grade::new(3).unwrap().number(), 3);
        assert!(serde_json::from_str::<Grade>("9").is_err());
    }
}
