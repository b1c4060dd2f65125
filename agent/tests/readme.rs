//! The README lists the settings as they are.

use muster_agent::settings::SETTINGS;
use muster_kit::settings::Setting;

const README: &str = include_str!("../../README.md");

fn row(setting: &Setting) -> String {
    // a bar ends a cell, also in code
    let text = |text: &str| text.replace('|', r"\|");
    let code = |name: &str| if name.is_empty() { String::new() } else { format!("`{}`", text(name)) };
    let mut flag = code(format!("--{} {}", setting.flag, setting.value).trim_end());
    if let Some(alias) = setting.alias {
        flag = format!("{flag}, also `--{alias}`");
    }
    let variable = setting.variable().unwrap_or_default();
    let key = setting.key().unwrap_or_default();
    let cells = [flag, code(&variable), code(key), text(setting.default), text(setting.help)];
    format!("| {} |\n", cells.join(" | "))
}

#[test]
fn the_readme_lists_every_setting_as_it_is() {
    let mut table =
        "| flag | environment | in the file | default | what it does |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    table.extend(SETTINGS.iter().map(row));
    assert!(README.contains(&table), "the README's table of settings must be:\n{table}");
}
