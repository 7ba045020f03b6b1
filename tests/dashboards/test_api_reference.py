from dashboards.api_reference import describe
from service.app import create_app
from service.settings import Settings


def reference(tmp_path):
    app = create_app(Settings(_env_file=None, data_dir=tmp_path))
    return app, {one.name: one for one in describe(app.openapi())}


def test_every_operation_of_the_document_is_there_with_its_meaning(tmp_path):
    app, resources = reference(tmp_path)
    shown = {
        (operation.method, operation.path)
        for resource in resources.values()
        for operation in resource.operations
    }
    assert shown == {
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    assert all(
        operation.text and operation.answers
        for resource in resources.values()
        for operation in resource.operations
    )


def test_the_fields_of_a_body_are_named_with_type_and_need(tmp_path):
    _, resources = reference(tmp_path)
    create = next(one for one in resources["studies"].operations if one.method == "POST")
    fields = {field.name: field for field in create.fields}
    assert fields["task"].required
    assert fields["learning_rates"].kind == "list of number"
    assert not fields["seeds"].required
    assert fields["optimizers.hyperparameters"].text
    assert fields["budget.epochs"].kind == "integer"
    assert "cosine" in fields["budget.schedule"].kind
    assert fields["dry_run"].where == "query"
    assert fields["idempotency-key"].where == "header"


def test_a_body_of_several_forms_lists_what_any_of_them_has(tmp_path):
    _, resources = reference(tmp_path)
    for name, path in (("studies", ""), ("schedules", "study.")):
        create = next(one for one in resources[name].operations if one.method == "POST")
        fields = {field.name: field for field in create.fields}
        assert len(fields) == len(create.fields)
        assert fields[f"{path}mode"].kind == "grid or search"
        assert fields[f"{path}task"].required
        for one in ("mode", "learning_rates", "space.weight_decay.zero", "budget.points"):
            assert not fields[f"{path}{one}"].required, one


def test_a_document_without_operations_is_an_empty_reference():
    assert describe({"paths": {}}) == ()
