"""Spark with Iceberg's runtime: a session whose catalog `lake` is the product's."""
from findings import token, uri
from pyspark.sql import SparkSession


def spark_session(jars):
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": "1200m",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.jars": jars,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "rest",
        "spark.sql.catalog.lake.uri": uri,
        # Asks for keys of S3, where the catalog gives out any.
        "spark.sql.catalog.lake.header.X-Iceberg-Access-Delegation": "vended-credentials",
        # Else what others commit is seen half a minute later.
        "spark.sql.catalog.lake.cache-enabled": "false",
        **({"spark.sql.catalog.lake.token": token} if token else {}),
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark
