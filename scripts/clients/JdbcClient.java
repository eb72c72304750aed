/** JDBC's driver of PostgreSQL: connects, looks at the catalog, reads with and without parameters, and a part at a time. */
import java.sql.*;
import java.util.*;

public class JdbcClient {
    public static void main(String[] words) throws Exception {
        String url = "jdbc:postgresql://" + words[0] + ":" + words[1] + "/lakehouse";
        try (Connection connection = DriverManager.getConnection(url, "reader", words[2])) {
            DatabaseMetaData about = connection.getMetaData();
            say("product", about.getDatabaseProductName());
            say("schemas", names(about.getSchemas(null, "main"), "TABLE_SCHEM"));
            say("tables", names(about.getTables(null, "main", "%", new String[] { "TABLE" }), "TABLE_NAME"));
            say("columns", names(about.getColumns(null, "main", "things", "%"), "COLUMN_NAME"));
            say("keys", names(about.getPrimaryKeys(null, "main", "things"), "COLUMN_NAME"));
            say("types", String.valueOf(about.getTypeInfo().next()));
            try (Statement statement = connection.createStatement();
                    ResultSet rows = statement.executeQuery("SELECT count(*) FROM things")) {
                rows.next();
                say("count", rows.getString(1));
            }
            try (PreparedStatement statement = connection.prepareStatement(
                    "SELECT title FROM things WHERE id = ? AND price < ? AND posted >= ?")) {
                for (int round = 0; round < 10; round++) {
                    statement.setLong(1, 7);
                    statement.setBigDecimal(2, new java.math.BigDecimal("100.5"));
                    statement.setObject(3, java.time.LocalDate.of(2024, 1, 1));
                    try (ResultSet rows = statement.executeQuery()) {
                        rows.next();
                        if (round == 9) say("filtered", rows.getString(1));
                    }
                }
            }
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(100);
                long sum = 0;
                try (ResultSet rows = statement.executeQuery("SELECT id FROM things")) {
                    while (rows.next()) sum += rows.getLong(1);
                }
                say("sum", String.valueOf(sum));
            }
            connection.commit();
            try (Statement statement = connection.createStatement()) {
                statement.executeQuery("SELECT * FROM nothing_of_this_name");
            } catch (SQLException cause) {
                say("error", cause.getSQLState());
            }
        }
    }

    static String names(ResultSet rows, String column) throws SQLException {
        List<String> names = new ArrayList<>();
        while (rows.next()) names.add(rows.getString(column));
        return String.join(",", names);
    }

    static void say(String name, String value) {
        System.out.println(name + "=" + value);
    }
}
