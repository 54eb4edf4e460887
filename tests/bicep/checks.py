"""What has to hold of the templates, whatever is chosen: each check gives the sentences that say where it does not.

They are values, so that `test_mutations` can hold them against templates with a mistake in them. Not here: what the types of properties
allow, which the real compiler knows.
"""

from collections.abc import Callable

from tests.bicep.deploying import Templates
from tests.bicep.of_alerts import (
    alerts_reach_somebody,
    alerts_watch_lines_that_are_written,
    the_host_lets_our_lines_through,
    the_workbook_shows_lines_that_are_written,
)
from tests.bicep.of_app import (
    queues_tables_and_containers_are_those_that_the_code_uses,
    the_app_is_a_flex_app,
    what_is_always_ready_exists,
)
from tests.bicep.of_gateway import graph_gets_through_the_gateway, parts_of_the_gateway_are_there
from tests.bicep.of_openness import (
    no_secret_leaves_a_template,
    nothing_is_open_that_need_not_be,
    nothing_takes_a_key_that_need_not,
    transport_is_encrypted,
    vaults_cannot_be_emptied,
)
from tests.bicep.of_roles import everybody_has_the_least_rights, roles_are_the_named_ones
from tests.bicep.of_settings import (
    keys_are_references,
    settings_are_read_by_the_app_without_a_problem,
    settings_are_those_that_the_app_knows,
    settings_have_the_samples_values,
    storage_that_is_away_is_noticed_in_time,
)
from tests.bicep.of_types import types_and_properties_are_published
from tests.bicep.of_wiring import (
    everything_is_described,
    everything_is_used,
    mistakes_in_parameters_are_refused,
    the_compilers_linter_has_nothing_to_say,
    the_parameter_files_differ_in_size_alone,
    what_exists_is_there_before_it_is_needed,
)
from tests.bicep.syntax import BicepError

Check = Callable[[Templates], list[str]]

CHECKS: tuple[Check, ...] = (
    types_and_properties_are_published,
    settings_are_those_that_the_app_knows,
    settings_are_read_by_the_app_without_a_problem,
    settings_have_the_samples_values,
    keys_are_references,
    storage_that_is_away_is_noticed_in_time,
    roles_are_the_named_ones,
    everybody_has_the_least_rights,
    nothing_takes_a_key_that_need_not,
    transport_is_encrypted,
    nothing_is_open_that_need_not_be,
    no_secret_leaves_a_template,
    vaults_cannot_be_emptied,
    queues_tables_and_containers_are_those_that_the_code_uses,
    the_app_is_a_flex_app,
    what_is_always_ready_exists,
    everything_is_described,
    everything_is_used,
    what_exists_is_there_before_it_is_needed,
    the_parameter_files_differ_in_size_alone,
    mistakes_in_parameters_are_refused,
    the_compilers_linter_has_nothing_to_say,
    graph_gets_through_the_gateway,
    parts_of_the_gateway_are_there,
    alerts_watch_lines_that_are_written,
    alerts_reach_somebody,
    the_workbook_shows_lines_that_are_written,
    the_host_lets_our_lines_through,
)


def problems(templates: Templates) -> list[str]:
    """Give everything that is wrong. A check that stumbles over what is not there has found something too."""
    found = []
    for check in CHECKS:
        try:
            found += [f"{check.__name__}: {problem}" for problem in check(templates)]
        except (BicepError, LookupError) as problem:
            found.append(f"{check.__name__}: {problem!r}")
    return found
