"""Parameters, outputs, and what waits for what."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.bicep.deploying import Deployment, Templates
from tests.bicep.syntax import BicepError, Declaration, File, Member, Name, walk
from tests.bicep.variants import deploy, deploy_all


def everything_is_described(templates: Templates) -> list[str]:
    found = []
    for path in templates.paths:
        file = templates.file(path)
        for each in file.params.values() if path.suffix == ".bicep" else ():
            word = each.description.partition(".")[0]
            required = each.value is None and not each.type.endswith("?")
            if word not in ({"Required"} if required else {"Optional", "Conditional"}):
                found.append(f"{path.name}: the description of {each.name} begins with {word!r}")
        found += [
            f"{path.name}: output {each.name} is not described"
            for each in file.outputs.values()
            if not each.description
        ]
    return found


def everything_is_used(templates: Templates) -> list[str]:
    found = []
    for path in templates.paths:
        if path.suffix != ".bicep":
            continue
        file = templates.file(path)
        used = _used(file)
        declared = {
            **file.params,
            **file.variables,
            **{name: each for name, each in file.resources.items() if each.existing},
        }
        exported = {name for name, each in file.variables.items() if "export" in each.decorators}
        found += [f"{path.name}: {name} is used by nothing" for name in sorted(set(declared) - used - exported)]
    main = _main(templates)
    asked = {
        (main.modules[of.of.name].type, name)
        for place in _places(main)
        for each in walk(place)
        if isinstance(each, Member)
        for of, name in [(each.of, each.name)]
        if isinstance(of, Member) and isinstance(of.of, Name) and of.of.name in main.modules
    }
    for path in templates.paths:
        if path.parent.name == "modules":
            outputs = {(f"modules/{path.name}", name) for name in templates.file(path).outputs}
            found += [f"{path.name}: nobody asks for output {name}" for _, name in sorted(outputs - asked)]
            if not any(each.type == f"modules/{path.name}" for each in main.modules.values()):
                found.append(f"{path.name} is a module of nothing")
    return found


def _main(templates: Templates) -> File:
    return templates.file(templates.folder / "main.bicep")


def _places(file: File) -> Iterator[Any]:
    groups: tuple[Mapping[str, Declaration], ...] = (
        file.params,
        file.variables,
        file.resources,
        file.modules,
        file.outputs,
    )
    for group in groups:
        for each in group.values():
            yield from (each.value, each.condition)


def _used(file: File) -> set[str]:
    return {each.name for place in _places(file) for each in walk(place) if isinstance(each, Name)}


def what_exists_is_there_before_it_is_needed(templates: Templates) -> list[str]:
    """A module that refers to a resource of another by name has to wait for it: nothing else would make it."""
    found = []
    for variant, paper in deploy_all(templates).items():
        makers = {each.id: each.module for each in paper.resources}
        conditional = _roles_that_are_given(paper)
        for each in paper.existing:
            maker = makers.get(each.id)
            if maker == each.module or each.type.endswith("/subnets"):
                continue
            if maker is None and each.id in conditional:
                found.append(f"{variant}: {each} is made by nothing")
            elif maker is not None and maker not in paper.waits[each.module]:
                found.append(f"{variant}: {each} does not wait for {maker}")
    if "roles" not in deploy("standard", templates).waits["appSettings"]:
        found.append("the app gets its settings, and starts, before it has its roles")
    return found


def _roles_that_are_given(paper: Deployment) -> set[str]:
    return {each.scope.id for each in paper.resources if each.scope is not None}


def the_parameter_files_differ_in_size_alone(templates: Templates) -> list[str]:
    found = []
    for size in ("small", "standard", "large"):
        file = templates.file(templates.folder / f"{size}.bicepparam")
        if file.params["size"].value.value != size:
            found.append(f"{size}.bicepparam has another size")
    main = templates.file(templates.folder / "main.bicepparam")
    taken = {name for name in _main(templates).params if name not in main.params}
    by_hand = {"resourceGroupName", "scale", "settings", "allowedIpAddresses", "allowedTenantIds", "vnetAddressPrefix"}
    if taken != by_hand:
        found.append(f"azd cannot be told {sorted(taken ^ by_hand)}")
    return found


def mistakes_in_parameters_are_refused(templates: Templates) -> list[str]:
    """Guards the guard: a size that is none, and a name that is too long."""
    found = []
    for given in ({"size": "huge"}, {"environmentName": "x" * 65}, {"delivery": "pigeon"}, {"encryption": "plain"}):
        try:
            templates.deploy(**given)
        except BicepError:
            continue
        found.append(f"{given} is taken")
    return found


# The compiler's linter, where bicepconfig.json makes its warnings errors; names and hosts are those of its own rules.
# https://github.com/Azure/bicep/tree/main/src/Bicep.Core/Analyzers/Linter/Rules (2026-11)
_SECRET = re.compile(r"password|pwd|secret|accountkey|acctkey", re.IGNORECASE)
_NO_SECRET = re.compile(r"secret(permissions|version|ur[il]|name)", re.IGNORECASE)
_HOSTS = re.compile(
    r"(?<![a-z0-9])(core\.windows\.net|vault\.azure\.net|login\.microsoftonline\.com|management\.azure\.com|database\.windows\.net)",
    re.IGNORECASE,
)


def the_compilers_linter_has_nothing_to_say(templates: Templates) -> list[str]:
    found = []
    for path in templates.paths:
        if path.suffix != ".bicep":
            continue
        file = templates.file(path)
        found += [
            f"{path.name}: the linter takes {name} for a secret"
            for name in file.params
            if _SECRET.search(name) and not _NO_SECRET.search(name)
        ]
        code = re.sub(r"(?m)(^|\s)//.*$", "", path.read_text("utf-8"))
        found += [f"{path.name}: {host} is an address of one cloud" for host in _HOSTS.findall(code)]
    return found
