from tests.data_fixtures import agrees  # noqa: F401 -- a fixture
