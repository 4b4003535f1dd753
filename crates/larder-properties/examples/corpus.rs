//! Between the packed files of kept inputs and the folders that libFuzzer wants.
//!
//! ```text
//! corpus unpack NAME FOLDER      writes each kept input into a file of its own
//! corpus pack NAME FOLDER        keeps the files of a folder; where there are too many, some of every length
//! corpus show NAME FOLDER        prints the files of a folder as they would be kept
//! ```

use larder_properties::{MOST_BYTES, MOST_INPUTS, corpus};
use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["unpack", name, folder] => unpack(name, Path::new(folder)),
        ["pack", name, folder] => pack(name, Path::new(folder)),
        ["show", _, folder] => show(Path::new(folder)),
        _ => Err("expected `pack NAME FOLDER` or `unpack NAME FOLDER`".into()),
    }
}

fn unpack(name: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    for kind in ["seeds", "corpus", "findings"] {
        for (at, input) in corpus::load(kind, name).unwrap_or_default().iter().enumerate() {
            fs::write(folder.join(format!("{kind}-{at}")), input)?;
        }
    }
    Ok(())
}

/// The files of a folder, the shortest first, each content once.
fn inputs(folder: &Path) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut inputs = Vec::new();
    for file in fs::read_dir(folder)? {
        inputs.push(fs::read(file?.path())?);
    }
    inputs.sort_by(|a, b| a.len().cmp(&b.len()).then(a.cmp(b)));
    inputs.dedup();
    Ok(inputs)
}

fn show(folder: &Path) -> Result<(), Box<dyn Error>> {
    print!("{}", corpus::pack(&inputs(folder)?));
    Ok(())
}

fn pack(name: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    let all = inputs(folder)?;
    let some = all.len().min(MOST_INPUTS);
    let spread = (0..some).map(|at| all[at * all.len() / some].clone());
    let (mut kept, mut room) = (Vec::new(), MOST_BYTES);
    for input in spread {
        let length = corpus::pack(std::slice::from_ref(&input)).len();
        if length <= room {
            room -= length;
            kept.push(input);
        }
    }
    fs::write(corpus::path("corpus", name), corpus::pack(&kept))?;
    println!("{name}: {} of {} inputs kept, {} bytes", kept.len(), all.len(), MOST_BYTES - room);
    Ok(())
}
