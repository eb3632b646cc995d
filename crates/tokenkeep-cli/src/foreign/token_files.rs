//! Token files, one or a folder of them, where they lie.

use std::path::{Path, PathBuf};

use tokenkeep::store::FileStore;
use tokio::task::spawn_blocking;

use super::source::{Found, unreadable};
use crate::exit::Failure;

/// Reads what the source names. Files say by their names whose they are; one file may be said to be a provider's.
pub(super) async fn read(source: &str, provider: Option<&str>) -> Result<Vec<Found>, Failure> {
    let path = PathBuf::from(source.strip_prefix("file:").unwrap_or(source));
    let provider = provider.map(str::to_owned);
    let read = spawn_blocking(move || match (path.is_dir(), provider) {
        (true, None) => folder(&path),
        (true, Some(_)) => {
            Err(Failure::usage("the files of a folder say whose they are", "name one file, or leave out --provider"))
        }
        (false, provider) => {
            let key = provider.or_else(|| key_of(&path)).ok_or_else(|| {
                Failure::usage(
                    "the name of the file does not say whose token is in it, as graph_token.json does",
                    "say it with --provider",
                )
            })?;
            // Asked for by name, it is to be there.
            path.metadata().map_err(|error| unreadable(&path, &error))?;
            Ok(vec![Found::in_file(key, &path)])
        }
    });
    read.await.unwrap_or_else(|error| Err(Failure::internal("cannot read the files", &error)))
}

fn folder(path: &Path) -> Result<Vec<Found>, Failure> {
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| unreadable(path, &error))?;
    let files = entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_file());
    Ok(files.filter_map(|path| key_of(&path).map(|key| Found::in_file(key, &path))).collect())
}

fn key_of(path: &Path) -> Option<String> {
    FileStore::key_of(path.file_name()?.to_str()?).map(|key| key.to_string())
}
