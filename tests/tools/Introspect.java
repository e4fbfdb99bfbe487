import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/** Looks at a mirror as DBeaver does when it connects: by JDBC's metadata, and the first rows of each table. */
public class Introspect {
    public static void main(String[] arguments) throws Exception {
        Properties readOnly = new Properties();
        readOnly.setProperty("open_mode", "1");
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + arguments[0], readOnly)) {
            DatabaseMetaData metadata = connection.getMetaData();
            List<String> tables = new ArrayList<>();
            try (ResultSet found = metadata.getTables(null, null, "%", new String[] {"TABLE", "VIEW"})) {
                while (found.next()) {
                    tables.add(found.getString("TABLE_NAME"));
                }
            }
            int columns = 0;
            for (String table : tables) {
                try (ResultSet found = metadata.getColumns(null, null, table, "%")) {
                    while (found.next()) {
                        columns++;
                    }
                }
                metadata.getPrimaryKeys(null, null, table).close();
                metadata.getImportedKeys(null, null, table).close();
                metadata.getIndexInfo(null, null, table, false, true).close();
                try (Statement statement = connection.createStatement();
                        ResultSet rows = statement.executeQuery("SELECT * FROM \"" + table + "\" LIMIT 200")) {
                    while (rows.next()) {
                        rows.getObject(1);
                    }
                }
            }
            if (!tables.contains("customers") || !tables.contains("live_customers") || columns < 100) {
                throw new IllegalStateException(tables + ", " + columns + " columns");
            }
            System.out.println("JDBC " + metadata.getDriverVersion() + ": " + tables.size() + " tables and views, "
                    + columns + " columns");
        }
    }
}
