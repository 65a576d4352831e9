//! What is typed to export or import the identity: fields in, a path and a passphrase out, or what is wrong.

use std::path::PathBuf;

use call_engine::Passphrase;

/// Shortest passphrase that an exported identity is protected with, in characters.
pub const MIN_PASSPHRASE_CHARS: usize = 8;
/// Longest text its fields take, in characters.
pub const MAX_FIELD_CHARS: usize = 1024;

/// Which way the identity goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityTask {
    /// Into a file.
    Export,
    /// From a file.
    Import,
}

/// The fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityForm {
    /// Which way.
    pub task: IdentityTask,
    /// The file.
    pub path: String,
    /// What protects it.
    pub passphrase: Passphrase,
    /// The same again: a slip of the finger would lock the file for ever. Not asked for when importing.
    pub repeated: Passphrase,
    /// Why it was not done when it was tried last.
    pub problem: Option<FormProblem>,
}

/// What is wrong with the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormProblem {
    /// No file, or one without a folder: nobody would find it again.
    NoPath,
    /// Fewer than [`MIN_PASSPHRASE_CHARS`] characters.
    ShortPassphrase,
    /// The two passphrases differ.
    DifferentPassphrases,
    /// Importing without a passphrase.
    NoPassphrase,
}

impl IdentityForm {
    /// Empty, with the file it would be.
    #[must_use]
    pub fn new(task: IdentityTask, path: String) -> Self {
        let nothing = || Passphrase(String::new().into());
        Self {
            task,
            path,
            passphrase: nothing(),
            repeated: nothing(),
            problem: None,
        }
    }

    /// The file and its passphrase.
    ///
    /// # Errors
    /// When a field has to be filled in differently first.
    pub fn checked(&self) -> Result<(PathBuf, Passphrase), FormProblem> {
        let path = PathBuf::from(self.path.trim());
        if !path.is_absolute() || path.file_name().is_none() {
            return Err(FormProblem::NoPath);
        }
        match self.task {
            IdentityTask::Export if self.passphrase.0.chars().count() < MIN_PASSPHRASE_CHARS => {
                Err(FormProblem::ShortPassphrase)
            }
            IdentityTask::Export if self.passphrase != self.repeated => Err(FormProblem::DifferentPassphrases),
            IdentityTask::Import if self.passphrase.0.is_empty() => Err(FormProblem::NoPassphrase),
            IdentityTask::Export | IdentityTask::Import => Ok((path, self.passphrase.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(task: IdentityTask, passphrase: &str, repeated: &str) -> IdentityForm {
        let mut form = IdentityForm::new(task, std::env::temp_dir().join("me.age").display().to_string());
        form.passphrase.0.push_str(passphrase);
        form.repeated.0.push_str(repeated);
        form
    }

    #[test]
    fn an_export_wants_eight_characters_twice() {
        let problem = |passphrase, repeated| form(IdentityTask::Export, passphrase, repeated).checked().err();
        assert_eq!(problem("семь бу", "семь бу"), Some(FormProblem::ShortPassphrase));
        assert_eq!(
            problem("correct horse", "correct hose"),
            Some(FormProblem::DifferentPassphrases)
        );
        assert_eq!(problem("correct horse", "correct horse"), None);
    }

    #[test]
    fn an_import_takes_whatever_the_file_was_protected_with() {
        assert_eq!(
            form(IdentityTask::Import, "abc", "")
                .checked()
                .map(|(_, words)| words.0.len()),
            Ok(3)
        );
        assert_eq!(
            form(IdentityTask::Import, "", "").checked().err(),
            Some(FormProblem::NoPassphrase)
        );
    }

    #[test]
    fn a_file_without_a_folder_is_asked_for_again() {
        for path in ["", "  ", "me.age", "/"] {
            let mut form = form(IdentityTask::Export, "correct horse", "correct horse");
            form.path = path.into();
            assert_eq!(form.checked().err(), Some(FormProblem::NoPath), "{path:?}");
        }
    }

    #[test]
    fn a_passphrase_is_not_shown_when_the_form_is_logged() {
        let text = format!("{:?}", form(IdentityTask::Export, "correct horse", "correct horse"));
        assert!(!text.contains("horse"), "{text}");
    }
}
